# Two stages: the first has pip and its caches, the second only what runs. Nothing is downloaded when the container starts.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements/runtime.txt /tmp/runtime.txt
# Each wheel must have a hash from the lock; a source distribution would run foreign code while building.
RUN /opt/venv/bin/pip install --require-hashes --no-deps --only-binary :all: -r /tmp/runtime.txt

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=changecontrol.settings
# A fixed number, so that volumes and policies can name it; no shell, no home, no password.
RUN groupadd --system --gid 10001 changecontrol \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin changecontrol \
 && install --directory --owner 10001 --group 10001 --mode 0700 /backups
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY manage.py ./
COPY changecontrol ./changecontrol
COPY templates ./templates
COPY migrations_repo ./migrations_repo
USER 10001:10001
EXPOSE 8000
# gunicorn's heartbeat files belong in memory: on a slow disk they would make it kill healthy processes.
CMD ["gunicorn", "changecontrol.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4", "--worker-tmp-dir", "/dev/shm", "--access-logfile", "-"]
