"""The code deployed to Lambda: clusters a day from its candidate pairs. numpy and arro3 are all it needs."""
