# The sweeper in a container. BASE is any Debian-like image with Python 3.11 or later; on a GPU host the
# locked torch is the CUDA build, and the host's driver comes in through the container toolkit.
ARG BASE=python:3.11-slim
FROM ${BASE}

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=1 \
    SWEEPER_HOME=/results \
    PATH=/opt/sweeper/bin:$PATH

WORKDIR /src
COPY requirements.lock pyproject.toml README.md ./
RUN python3 -m venv /opt/sweeper \
    && /opt/sweeper/bin/pip install --requirement requirements.lock
COPY sweeper sweeper
COPY trainer trainer
RUN /opt/sweeper/bin/pip install --no-deps . \
    && useradd --create-home --uid 10001 sweeper \
    && mkdir -p /studies /results \
    && chown sweeper /studies /results

USER 10001
WORKDIR /studies
VOLUME ["/studies", "/results"]
ENTRYPOINT ["sweeper"]
CMD ["--help"]
