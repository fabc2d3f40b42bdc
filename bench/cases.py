"""What is asked of everybody."""
import dataclasses
import resource


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    path: str = "/1k"
    setup: str = "plain"
    options: tuple = ()  # of the load generator
    tls: bool = False
    connections: int = 32
    latency: bool = False  # also with arrivals at a fixed rate
    idle: int = 0  # connections that are open beside the load
    warm_up: float = 0  # seconds, if it takes longer than usual
    without: tuple = ()  # who cannot do it


USERS = ("--header", "X-User: user-@", "--header", "User-Agent: bench/1.0", "--header", "Accept: */*",
         "--variants", "1000")
NO_TLS = ("relay",)
# Two descriptors for each in a proxy are more than HAProxy could be sure of with the usual limits.
IDLE = min(10_000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 2000) // 2)
IDLE_CASE = f"{IDLE:,} idle beside"
CASES = (
    Case("GET 1 KiB", latency=True),
    Case("GET 64 KiB", "/64k", latency=True),
    Case("GET 10 MiB", "/10m", connections=8),
    Case("POST 10 KiB", "/post", options=("--body", "10240"), latency=True),
    Case("POST 10 MiB", "/upload", options=("--body", "10485760"), connections=8),
    Case("new connection", options=("--close",)),
    Case("pipelined", options=("--pipeline", "16")),
    Case("TLS keep-alive", tls=True, latency=True, without=NO_TLS),
    Case("TLS full handshake", tls=True, options=("--close",), without=NO_TLS),
    Case("TLS resumed", tls=True, options=("--close", "--resume"), without=NO_TLS),
    Case(IDLE_CASE, idle=IDLE, without=NO_TLS),
    Case("10,000 routes", "/r/@/item", "routes", ("--variants", "10000"), warm_up=4),  # each once
    Case("everything on", setup="everything", options=USERS, latency=True),
    Case("native, Node behind", "/native", "native", latency=True),
)
