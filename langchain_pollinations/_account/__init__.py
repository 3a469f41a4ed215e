"""Private parts of `account`: its records, requests and the check of a key."""
