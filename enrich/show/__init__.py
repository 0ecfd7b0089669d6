"""What a person looks at: records with their answers, explanations, queries."""
