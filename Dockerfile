# Spendgate in one small image: the proxy with its vocabulary, and nothing that builds it.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build

# The tools that make a wheel stay in this stage. They come from the development lock, by
# hash; pip refuses the set when the build backend has come to need more than is named here.
WORKDIR /build
COPY requirements-dev.lock ./
RUN python3 -m venv tools \
    && awk '/^[a-z]/ {wanted = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/} wanted' \
        requirements-dev.lock > tools.lock \
    && tools/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r tools.lock

# What runs: an environment without pip, filled from the lock alone. It is a layer of its
# own, so that a change of our sources does not fetch every dependency again.
COPY requirements.lock ./
RUN python3 -m venv --without-pip /opt/spendgate \
    && tools/bin/pip --python /opt/spendgate/bin/python install \
        --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
COPY pricing pricing
COPY simulator simulator
RUN tools/bin/pip wheel --no-cache-dir --disable-pip-version-check \
        --no-deps --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /opt/spendgate/bin/python install \
        --no-cache-dir --disable-pip-version-check --no-deps --no-index wheels/*.whl

FROM ${BASE}

LABEL org.opencontainers.image.title="spendgate" \
      org.opencontainers.image.description="A sidecar proxy that holds AI agents to their budgets" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/spendgate /opt/spendgate
COPY deploy/image/config.yaml /etc/spendgate/config.yaml

# A number, not a name: a kubelet with `runAsNonRoot` cannot look names up.
RUN install -d -o 10001 -g 10001 -m 0750 /var/lib/spendgate
USER 10001:10001

# The ledger's relative default, sqlite:///spendgate.db, then lies on the volume.
WORKDIR /var/lib/spendgate
VOLUME /var/lib/spendgate

ENV PATH=/opt/spendgate/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

EXPOSE 7676 7979
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["spendgate", "health", "-c", "/etc/spendgate/config.yaml"]

ENTRYPOINT ["spendgate"]
CMD ["serve", "-c", "/etc/spendgate/config.yaml"]
