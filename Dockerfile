# syntax=docker/dockerfile:1
# One image for every role: `docker run … run --role receive|work|web`, or without --role everything in one process.
# CPU by default; `docker build --build-arg ACCEL=gpu .` installs ONNX Runtime with its CUDA libraries, and the container
# then needs `--gpus`.

ARG PYTHON=3.12

FROM python:${PYTHON}-slim-trixie AS build
ARG ACCEL=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/miqa
# Everything but the project first: these layers are made again only when a version changes.
COPY constraints.txt pyproject.toml ./
RUN /opt/miqa/bin/pip install -c constraints.txt pip hatchling editables \
    && /opt/miqa/bin/python -c 'import sys, tomllib; \
p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
print(*p["dependencies"], *p["optional-dependencies"][sys.argv[1]], sep="\n")' "${ACCEL}" > requirements.txt \
    && /opt/miqa/bin/pip install -c constraints.txt -r requirements.txt
COPY README.md LICENSE NOTICE ./
COPY config config
COPY migrations migrations
COPY models models
COPY miqa_node miqa_node
RUN /opt/miqa/bin/pip install --no-deps --no-build-isolation . \
    && /opt/miqa/bin/pip uninstall --yes hatchling editables

FROM python:${PYTHON}-slim-trixie
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
