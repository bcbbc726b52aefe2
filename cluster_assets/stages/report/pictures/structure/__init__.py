"""Pictures of the distances between points, and of how clusters arise from them."""
