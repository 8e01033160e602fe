"""`make demo`: real files through both Regions, and every one of them compared with what went in.

Made files, or those of a folder (`plan`, `making`, `folder`), are uploaded (`store`). A feed delivers what lies in the
partner's inbox, a job submitted over the API (`api`, `watch`) the rest. Then everything at the targets is downloaded
and compared (`compare`), the job is run again, and the requests that the gateway counted are added up (`counts`).
"""
