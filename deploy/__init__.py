"""Deployment of the project to AWS."""
