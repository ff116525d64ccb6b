"""From a trained bundle to answers; needs no torch.

Recordings of people are not to leave their machine, and neither is word of who looks at them when. ONNX Runtime's
official builds report to their maker unless told not to before they are loaded, so this package tells them.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
