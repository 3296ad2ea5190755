"""Trains and evaluates one spec; knows nothing of Optuna or MLflow."""
