"""MLflow: what a study leaves behind there. Importing this package does not import MLflow."""

from sweeper.store.tracking.database import open_mlflow, open_tracking
from sweeper.store.tracking.view import experiment_link

__all__ = ["experiment_link", "open_mlflow", "open_tracking"]
