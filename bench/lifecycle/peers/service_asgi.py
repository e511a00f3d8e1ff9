"""The same four speeds for hypercorn (ASGI), which speaks HTTP/2."""
import asyncio

AFTER = {"/slow": 0.3, "/long": 3.0, "/frozen": 2.0}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await asyncio.sleep(AFTER.get(scope["path"], 0))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})
