# One image for every process of the service: `docker run … layerwise rest`, `rpc`, `worker`, or all with `serve`.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
RUN python3 -m venv /opt/layerwise
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY proto proto
COPY core core
COPY service service
COPY clients clients
RUN /opt/layerwise/bin/pip install --quiet --no-cache-dir --only-binary :all: --no-binary layerwise --constraint constraints.txt '.[service]'
# What is not needed to run is left behind: pip, tests, stubs, C and C++ sources, DuckDB's imitation of Spark, and the
# symbols for debuggers in four packages' libraries.
RUN apt-get update -q && apt-get install -q -y --no-install-recommends binutils
RUN cd /opt/layerwise/lib/python3*/site-packages \
 && rm -rf pip pip-*.dist-info numpy/f2py numpy/_core/include numpy/_core/lib numpy/random/lib duckdb/experimental \
      sqlalchemy/testing alembic/testing \
 && find . -type d -name tests -prune -exec rm -rf {} + \
 && find . -type f -name '*.pyi' -delete \
 && find simdjson -type f ! -name '*.py' -delete \
 && find uvloop -type f ! -name '*.py' ! -name '*.so' -delete \
 && find pysqlite3 sqlalchemy uvloop csimdjson*.so -name '*.so' -exec strip --strip-debug {} +

FROM python:3.12-slim-bookworm
COPY --from=build /opt/layerwise /opt/layerwise
RUN useradd --system --uid 10001 --no-create-home layerwise \
 && mkdir /data && chown layerwise /data
ENV PATH=/opt/layerwise/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    LAYERWISE_HOME=/data \
    LAYERWISE_REST_ADDRESS=0.0.0.0:8000 \
    LAYERWISE_RPC_ADDRESS=0.0.0.0:50051
USER layerwise
VOLUME /data
EXPOSE 8000 50051
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s CMD ["layerwise", "healthcheck"]
ENTRYPOINT ["layerwise"]
CMD ["serve"]
