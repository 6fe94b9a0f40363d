import os

# Read once, when libvirt is loaded. Its errors are raised as exceptions; its log would print them again.
os.environ.setdefault("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null")
