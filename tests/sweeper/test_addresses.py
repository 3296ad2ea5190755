import pytest

from sweeper.addresses import has_password, masked

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:hunter2@host:5000", "http://me:***@host:5000"),
        ("https://:hunter2@host/path?x=1", "https://:***@host/path?x=1"),
        ("http://me:hunter2/a@b@host", "http://me:***@host"),
        ("http://me:123hunter2@host", "http://me:***@host"),
        ("postgresql://me:hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://host/db?password=hunter2", "postgresql://host/db?password=***"),
        ("postgresql://host/db?a=b&sslpassword=hunter2", "postgresql://host/db?a=b&sslpassword=***"),
        ("postgresql://host/db?PASSWORD=hunter2&a=b", "postgresql://host/db?PASSWORD=***&a=b"),
        ("http://host:5000/?api_token=hunter2", "http://host:5000/?api_token=***"),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Dhunter2", "mssql+pyodbc:///?odbc_connect=***"),
    ],
)  # fmt: skip
def test_a_password_is_found_and_not_shown(address: str, shown: str) -> None:
    assert has_password(address)
    assert masked(address) == shown
    assert masked(f"'{address}' is no good, ask a@b") == f"'{shown}' is no good, ask a@b"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:5000",
        "http://host:5000/at@path?x=y#z@",
        "https://me@host/",
        "postgresql://me@host:5432/db?sslmode=require&passfile=/home/me/.pgpass",
        "sqlite:////home/a:b@c/mlflow.db",
        "databricks",
    ],
)
def test_an_address_without_password_stays_as_it_is(address: str) -> None:
    assert not has_password(address)
    assert masked(address) == address
