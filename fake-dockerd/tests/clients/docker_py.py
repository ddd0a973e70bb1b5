"""Drives the engine with the `docker` package of PyPI; any failed assertion fails the test."""

import sys

import docker

client = docker.DockerClient(base_url=sys.argv[1])
assert client.ping()

volume = client.volumes.create("py", driver="mine", labels={"a": "b"})
assert client.volumes.get("py").attrs["Driver"] == "mine"

# A mount and a bind are two ways to the same volume.
mount = docker.types.Mount("/data", "py", driver_config=docker.types.DriverConfig("mine"))
container = client.containers.create("busybox", ["true"], mounts=[mount], name="one")
container.start()
assert container.wait()["StatusCode"] == 0
assert client.containers.list(all=True, filters={"volume": "py"}) == [container]

chunks, stat = container.get_archive("/data")
assert stat["name"] == "data"
assert b"data/" in b"".join(chunks)
container.remove(v=True)

try:
    client.containers.run("busybox", ["false"], volumes=["py:/data"], remove=True)
    raise AssertionError("the exit code was not told")
except docker.errors.ContainerError as error:
    assert error.exit_status == 1

background = client.containers.run("busybox", ["sleep", "60"], volumes=["py:/data"], detach=True)
try:
    volume.remove()
    raise AssertionError("a volume in use was removed")
except docker.errors.APIError as error:
    assert error.status_code == 409, error
background.kill()
background.remove()
volume.remove()

try:
    client.containers.get("gone")
    raise AssertionError("a container that is not there was found")
except docker.errors.NotFound:
    pass

# The oldest version that the engine speaks.
old = docker.APIClient(base_url=sys.argv[1], version="1.24")
assert old.volumes()["Volumes"] is not None
print("done")
