"""What is known of the CPU."""
import platform

ISA_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def cpu_info():
    """The first CPU's lines of /proc/cpuinfo."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        lines = file.read().split("\n\n", 1)[0].splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def cpu_name():
    """With its family and model, since a virtual machine's CPU may have lost its number."""
    info = cpu_info()
    return f"{info.get('model name', platform.machine())} (family {info.get('cpu family', '?')}, model {info.get('model', '?')})"


def cpu_flags():
    return set(cpu_info().get("flags", "").split())
