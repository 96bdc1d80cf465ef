import pytest

# Else a failed assertion in what tests share tells no values.
pytest.register_assert_rewrite("tests.support")
