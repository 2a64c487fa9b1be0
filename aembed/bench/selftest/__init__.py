"""Whether the runner finds here what is planted: ``planted`` are the scenarios, ``self_test`` the judge."""
