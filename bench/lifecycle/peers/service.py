"""The same four speeds for gunicorn (WSGI): neither is told of a stop, so readiness never turns."""
import time

AFTER = {"/slow": 0.3, "/long": 3.0, "/frozen": 2.0}


def app(environ, start_response):
    time.sleep(AFTER.get(environ["PATH_INFO"], 0))
    start_response("200 OK", [("content-length", "4")])
    return [b"done"]
