# The sweeper in a container; BASE is a Debian-like image with Python 3.11 or later and its venv module.
# The lock's torch is the build that the package index has for the platform: on PyPI and x86-64 that is
# the CUDA one, which takes the driver of a GPU host from the container toolkit. A CPU build comes from
# another index through the PIP_* arguments.
#
#   docker build --tag sweeper .
#   docker run --rm --init -v "$PWD/studies:/studies:ro" -v sweeps:/results sweeper run kl_lr.yaml
ARG BASE=python:3.11-slim

FROM ${BASE} AS libraries
# Where pip looks, for hosts with a package index of their own; none of it reaches the final image.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_CERT
COPY requirements.lock .
RUN python3 -m venv /opt/sweeper \
    && /opt/sweeper/bin/pip install --no-cache-dir --requirement requirements.lock

FROM ${BASE}
RUN useradd --create-home --uid 10001 sweeper \
    && mkdir /studies /results \
    && chown sweeper /studies /results
COPY --from=libraries /opt/sweeper /opt/sweeper
WORKDIR /src
COPY pyproject.toml README.md ./
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
