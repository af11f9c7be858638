# The ledger as an image: built from its wheel, run by an account without rights. `docker build -t pdl .`
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY ledger ledger
COPY projections projections
COPY consumers consumers
COPY requirements/postgres.txt requirements/postgres.txt
RUN python -m venv /opt/pdl \
    && /opt/pdl/bin/pip install --no-cache-dir --require-hashes --requirement requirements/postgres.txt \
    && pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && /opt/pdl/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin pdl \
    && install -d -o pdl -g pdl -m 0700 /data
COPY --from=build /opt/pdl /opt/pdl
ENV PATH=/opt/pdl/bin:$PATH \
    PDL_DATA=/data \
    PYTHONDONTWRITEBYTECODE=1
USER pdl
VOLUME ["/data"]
ENTRYPOINT ["pdl"]
CMD ["--help"]
