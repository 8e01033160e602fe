"""`make demo`: deliver real files through both Regions, and compare every one of them with its original.

The files are made, or taken from a folder (`plan`, `making`, `folder`), and uploaded (`store`). A feed delivers those
in the partner's inbox; a job submitted over the API (`api`, `watch`) delivers the rest. Then everything at the targets
is downloaded and compared (`compare`). The job is run again, and the requests that the gateway counted are added up
(`counts`).
"""
