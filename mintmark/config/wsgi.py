"""The WSGI entry point that `mintmark serve` hands to granian."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mintmark.config.settings")
application = get_wsgi_application()
