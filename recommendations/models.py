"""Tables of events, embedding jobs, features, embeddings, the change log and trained models."""

from recommendations.doubt_models import Doubt  # noqa: E402, F401
from recommendations.rule_models import Variant  # noqa: E402, F401
from recommendations.slate_models import Slate  # noqa: E402, F401
