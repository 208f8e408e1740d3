"""What `make setup` shows while pip installs."""

import pytest

from dev.install_packages import Display, follow

PIP = """\
Collecting numpy==2.5.1 (from -r lock.txt (line 1))
  Downloading numpy-2.5.1-cp313-cp313-manylinux.whl.metadata (62 kB)
  Downloading numpy-2.5.1-cp313-cp313-manylinux.whl (16.2 MB)
Processing /wheels/rich-15.0.0-py3-none-any.whl (from -r lock.txt (line 9))
Collecting tiny==1 (from -r lock.txt (line 20))
  Using cached tiny-1-py3-none-any.whl (500 kB)
Installing collected packages: numpy, rich, tiny
Successfully installed numpy-2.5.1 rich-15.0.0 tiny-1
"""


@pytest.mark.parametrize("redraws", [False, True])
def test_packages_are_shown_with_their_sizes(redraws, capsys):
    follow(PIP.splitlines(), 3, Display(redraws=redraws))
    out = capsys.readouterr().out
    assert "1 of 3  numpy-2.5.1, 16.2 MB" in out
    assert "3 packages, 17 MB: unpacking ..." in out
    assert "3 packages, 17 MB, in 0 s" in out
    assert ("3 of 3  tiny-1, 0.5 MB" in out) is redraws, "lines that cannot be redrawn are for large packages"
    assert ("\r" in out) is redraws
