"""Real servers for tests, by their projects' own libraries: `grpc` (grpcio-health-checking) and `websocket` (websockets).

usage: peers.py grpc|websocket PORT CERT KEY
The port after PORT speaks TLS. A line on stdout says that both listen.
"""
import asyncio, ssl, sys
from concurrent import futures

KIND, PORT, CERT, KEY = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


def grpc_health():
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    state = health_pb2.HealthCheckResponse
    server = grpc.server(futures.ThreadPoolExecutor(4))
    service = health.HealthServicer()
    service.set("shop.v1.Orders", state.SERVING)
    service.set("shop.v1.Search", state.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(service, server)
    with open(CERT, "rb") as cert, open(KEY, "rb") as key:
        credentials = grpc.ssl_server_credentials([(key.read(), cert.read())])
    server.add_insecure_port(f"127.0.0.1:{PORT}")
    server.add_secure_port(f"127.0.0.1:{PORT + 1}", credentials)
    server.start()
    # A server without the service, on the third port.
    bare = grpc.server(futures.ThreadPoolExecutor(1))
    bare.add_insecure_port(f"127.0.0.1:{PORT + 2}")
    bare.start()
    print("ready", flush=True)
    server.wait_for_termination()


async def websocket():
    from websockets.asyncio.server import serve

    async def handle(connection):
        if connection.request.path == "/closes":
            await connection.close(4001, "go away")
            return
        await connection.send("welcome")
        async for message in connection:
            await connection.send("echo: " + message)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT, KEY)
    chosen = lambda connection, offered: "v1.echo" if "v1.echo" in offered else None
    plain = await serve(handle, "127.0.0.1", PORT, select_subprotocol=chosen)
    await serve(handle, "127.0.0.1", PORT + 1, ssl=context)
    print("ready", flush=True)
    await plain.wait_closed()


grpc_health() if KIND == "grpc" else asyncio.run(websocket())
