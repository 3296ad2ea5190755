"""MLflow: what a study leaves behind there. Importing this package does not import MLflow."""

from sweeper.store.tracking.database import open_mlflow, open_tracking
from sweeper.store.tracking.places import DATABASE, database_uri, follow_folder
from sweeper.store.tracking.view import experiment_link

__all__ = [
    "DATABASE",
    "database_uri",
    "experiment_link",
    "follow_folder",
    "open_mlflow",
    "open_tracking",
]
