# The sweeper in a container; BASE is a Debian-like image with Python 3.11 or later and its venv module.
#
#   docker build --tag sweeper .
#   docker run --rm --init -v "$PWD/studies:/studies:ro" -v sweeps:/results sweeper run kl_lr.yaml
#
# A host folder in place of the volume `sweeps` must be writable by user 10001, or by the one that --user names.
# The lock names torch's version; the package index decides its build: PyPI's for Linux on x86-64 is the CUDA
# one, to be run with `--gpus all` (not tried on a GPU host yet). An index of CPU builds can be given below.
ARG BASE=python:3.11-slim

FROM ${BASE} AS libraries
# Where pip looks, for hosts with a package index of their own; nothing of it reaches the final image.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_CERT
WORKDIR /src
COPY requirements.lock ./
RUN python3 -m venv /opt/sweeper \
    && /opt/sweeper/bin/pip install --no-cache-dir --requirement requirements.lock

FROM ${BASE}
RUN useradd --create-home --uid 10001 sweeper \
    && mkdir /studies /results \
    && chown sweeper /studies /results
COPY --from=libraries /opt/sweeper /opt/sweeper
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY sweeper sweeper
COPY trainer trainer
# The build backend is in the lock, so a change of code needs neither the network nor the layers above.
RUN /opt/sweeper/bin/pip install --no-cache-dir --no-deps --no-build-isolation --no-index .

ENV PATH=/opt/sweeper/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=1 \
    SWEEPER_HOME=/results
USER 10001
WORKDIR /studies
VOLUME ["/studies", "/results"]
ENTRYPOINT ["sweeper"]
CMD ["--help"]
