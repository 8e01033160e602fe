"""Provide examples of requests and answers. The models themselves make them, so they can't be invalid."""

from pydantic import BaseModel

from chalicelib.entry.rest.examples import feeds, jobs, operations, plans, registered
from chalicelib.entry.rest.examples.details import DETAILS
from chalicelib.entry.rest.examples.names import PATH_IDS
from chalicelib.entry.rest.problems import Problem, ProblemType, answer_of


def of(model: type[BaseModel]) -> dict[str, BaseModel]:
    """Return the examples of a body by name, or nothing for a model without examples."""
    subjects = (jobs, plans, registered, feeds, operations)
    examples = {name: example for subject in subjects for name, example in subject.examples().items()}
    return {name: example for name, example in examples.items() if type(example) is model}


def problem(problem_type: ProblemType, path: str) -> dict[str, object]:
    """Return an example of a problem in the form of its answer. Its `detail` differs from case to case."""
    detail = DETAILS.get(problem_type.code, problem_type.title)
    return dict(answer_of(Problem(problem_type, detail), path.format(**PATH_IDS)).body or {})
