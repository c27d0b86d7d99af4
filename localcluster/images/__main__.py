"""`python -m localcluster.images`."""

from . import main

raise SystemExit(main())
