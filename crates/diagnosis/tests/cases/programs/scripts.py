# Python programs that are stuck, or only look like it, as the system sees them. One per name.
import array
import asyncio
import fcntl
import os
import queue
import socket
import subprocess
import sys
import termios
import threading
import time


def say(name, value):
    print(f"{name}={value}", end=" ")


def ready():
    print("ready", flush=True)


def slow_server():
    server = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if pid == 0:
        client, _ = server.accept()
        client.recv(100)
        time.sleep(1000)
    address = server.getsockname()
    server.close()
    client = socket.create_connection(address)
    client.sendall(b"question")
    say("root", pid)
    ready()
    client.recv(100)


def unread_output():
    child = subprocess.Popen([sys.executable, "-c", "print('x' * 1000000)"], stdout=subprocess.PIPE)
    # Until no more goes in.
    unread = array.array("i", [0])
    while unread[0] < 65536:
        fcntl.ioctl(child.stdout, termios.FIONREAD, unread)
    ready()
    child.wait()


def idle_loop():
    async def serve():
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        ready()
        await server.serve_forever()

    asyncio.run(serve())


def consumers():
    work = queue.Queue()

    def consume():
        while True:
            work.get()

    for _ in range(4):
        threading.Thread(target=consume).start()
    server = socket.create_server(("127.0.0.1", 0))
    ready()
    server.accept()


globals()[sys.argv[1]]()
