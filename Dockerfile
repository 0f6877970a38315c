# syntax=docker/dockerfile:1
# One image for every role: `docker run … run --role receive|work|web`, or without --role everything in one process.
# CPU by default; `docker build --build-arg ACCEL=gpu .` installs ONNX Runtime with its CUDA libraries, and the container
# then needs `--gpus`.

# The digest is the one that public builds of this tag record; it was not pulled where this file was written. Compare it
# with `docker buildx imagetools inspect python:3.12.14-slim-trixie`, or give another base: --build-arg BASE=…
ARG BASE=python:3.12.14-slim-trixie@sha256:2c941e860699f878900b0edc2403613c234d4b32eda3cc9fa7036991a2a63c4a

FROM ${BASE} AS build
ARG ACCEL=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/miqa
# Everything but the project first: these layers are made again only when a version changes.
# A file whose SHA-256 is not in the lock is not installed.
COPY requirements requirements
RUN /opt/miqa/bin/pip install --require-hashes --only-binary :all: -r requirements/build.lock \
    && /opt/miqa/bin/pip install --require-hashes --only-binary :all: -r "requirements/${ACCEL}.lock"
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY config config
COPY migrations migrations
COPY models models
COPY packages packages
COPY miqa_node miqa_node
RUN /opt/miqa/bin/pip install --no-deps --no-build-isolation . ./packages/miqa-node-phantoms ./packages/miqa-node-selftest ./packages/miqa-node-series \
    && /opt/miqa/bin/pip uninstall --yes hatchling

FROM ${BASE}
# Letters beyond Latin on pages and pictures: Greek, Cyrillic, Arabic, Hebrew; Chinese, Japanese, Korean.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fonts-dejavu-core fonts-droid-fallback \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --system --gid 10001 miqa \
    && useradd --system --uid 10001 --gid miqa --home-dir /data --no-create-home --shell /usr/sbin/nologin miqa \
    && install --directory --owner=miqa --group=miqa --mode=0700 /data
COPY --from=build /opt/miqa /opt/miqa
ENV PATH=/opt/miqa/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MIQA_NODE__DATA_DIR=/data \
    MIQA_WEB__HOST=0.0.0.0 \
    MIQA_WEB__HEALTH_PORT=8081 \
    MIQA_LOG__FORMAT=json
USER miqa
WORKDIR /data
VOLUME /data
EXPOSE 11112 8080 8081
# Every role answers for its health; /readyz says in words what a node that is not ready lacks.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 CMD ["python", "-c", \
    "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['MIQA_WEB__HEALTH_PORT']), timeout=4); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["miqa-node"]
CMD ["run"]
