"""From open gaps to answers: batches, decisions and the run that holds them."""
