"""Running it every night: Celery workers, schedule and jobs, as thin skins over enrich."""
