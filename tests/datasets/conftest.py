"""For tests that start workers."""

import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def workers_that_import_no_pytest():
    """A worker imports the program again that started it: here pytest, which takes each as long as its job."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(sys.modules["__main__"], "__file__", raising=False)
        patch.setattr(sys.modules["__main__"], "__spec__", None)
        yield
