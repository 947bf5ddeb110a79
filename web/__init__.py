"""HTTP API, Socket.IO server and pages: the only package that knows Flask."""

import carillon

# The server and the package that services install are released together.
VERSION = carillon.__version__
