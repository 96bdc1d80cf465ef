"""Known defects, put into copies of the code one at a time, to show that the tests or the harness find each of them."""
