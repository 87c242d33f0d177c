# One image for every part: `tagsweep migrate`, `tagsweep worker` and whatever else is asked of it.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app

# The lock first: it changes seldom, so this layer is kept.
COPY requirements/runtime.txt requirements/runtime.txt
RUN pip install --require-hashes -r requirements/runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY tagsweep tagsweep
COPY worker worker
COPY producer producer
RUN pip install --no-deps --no-build-isolation . \
 && useradd --system --uid 10001 --home-dir /app tagsweep

# Celery warns, rightly, where a worker runs as root.
USER tagsweep

STOPSIGNAL SIGTERM
ENTRYPOINT ["tagsweep"]
CMD ["worker"]
