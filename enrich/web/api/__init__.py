"""The explorer's powers as JSON: answers, records, runs, reviews; reconciliation; annotations of pictures."""
