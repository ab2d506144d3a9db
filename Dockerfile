FROM python:3.12-slim

# PyTorch's CPU build; for a GPU, build with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# implicit is built against the system's OpenMP.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.txt .
RUN grep -E '^torch(vision)?==' requirements.txt > /tmp/torch.txt \
    && pip install --index-url "$TORCH_INDEX" -r /tmp/torch.txt \
    && pip install -r requirements.txt

COPY . .
# Everything written at run time lies under var: a volume takes its owner from here.
RUN useradd --system --uid 10001 --create-home marketplace \
    && mkdir -p var \
    && chown marketplace: var
USER marketplace

EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
CMD ["gunicorn", "marketplace.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4", \
     "--timeout", "60", "--worker-class", "marketplace.web.gunicorn_worker.HeadFirstWorker", \
     "--graceful-timeout", "5", "--no-control-socket"]
