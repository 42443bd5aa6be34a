# The names that `posenas` offers, by their homes; the only list of them.
from .api import (
    SearchRun as SearchRun,
)
from .api import (
    compose as compose,
)
from .api import (
    open_run as open_run,
)
from .api import (
    search as search,
)
from .composing.composition import (
    Composition as Composition,
)
from .composing.named_networks import (
    NamedNetwork as NamedNetwork,
)
from .composing.named_networks import (
    find_network as find_network,
)
from .composing.named_networks import (
    zoo_names as zoo_names,
)
from .composing.options import (
    AFTER_TRAINING as AFTER_TRAINING,
)
from .composing.options import (
    option_values as option_values,
)
from .composing.variation import (
    changes as changes,
)
from .composing.variation import (
    cross as cross,
)
from .composing.variation import (
    mutate as mutate,
)
from .contract.batches import (
    Batch as Batch,
)
from .contract.batches import (
    Look as Look,
)
from .contract.batches import (
    Poses as Poses,
)
from .contract.batches import (
    PosesWithout as PosesWithout,
)
from .contract.batches import (
    View as View,
)
from .contract.components import (
    Ablatable as Ablatable,
)
from .contract.components import (
    Averaging as Averaging,
)
from .contract.components import (
    Backbone as Backbone,
)
from .contract.components import (
    Conditional as Conditional,
)
from .contract.components import (
    Conditioned as Conditioned,
)
from .contract.components import (
    Cost as Cost,
)
from .contract.components import (
    Dataset as Dataset,
)
from .contract.components import (
    Derivable as Derivable,
)
from .contract.components import (
    Distillable as Distillable,
)
from .contract.components import (
    Divisible as Divisible,
)
from .contract.components import (
    Evaluator as Evaluator,
)
from .contract.components import (
    Evolvable as Evolvable,
)
from .contract.components import (
    Explained as Explained,
)
from .contract.components import (
    FlipTest as FlipTest,
)
from .contract.components import (
    Foreseeing as Foreseeing,
)
from .contract.components import (
    Head as Head,
)
from .contract.components import (
    HeadModule as HeadModule,
)
from .contract.components import (
    Meter as Meter,
)
from .contract.components import (
    Noticing as Noticing,
)
from .contract.components import (
    Relaxed as Relaxed,
)
from .contract.components import (
    Reporting as Reporting,
)
from .contract.components import (
    ScaleTest as ScaleTest,
)
from .contract.components import (
    SearchSpace as SearchSpace,
)
from .contract.components import (
    Timed as Timed,
)
from .contract.components import (
    WeightSharing as WeightSharing,
)
from .contract.costs import (
    CostFigure as CostFigure,
)
from .contract.costs import (
    Networks as Networks,
)
from .contract.errors import (
    PosenasError as PosenasError,
)
from .contract.errors import (
    suggestion as suggestion,
)
from .contract.finding import (
    Finding as Finding,
)
from .contract.genotype import (
    Choice as Choice,
)
from .contract.genotype import (
    Dimension as Dimension,
)
from .contract.genotype import (
    Genotype as Genotype,
)
from .contract.genotype import (
    Real as Real,
)
from .contract.genotype import (
    check_genotype as check_genotype,
)
from .contract.genotype import (
    genotype_id as genotype_id,
)
from .contract.genotype import (
    middle as middle,
)
from .contract.genotype import (
    sample_uniform as sample_uniform,
)
from .contract.genotype import (
    value_text as value_text,
)
from .contract.goals import (
    Limit as Limit,
)
from .contract.goals import (
    Objective as Objective,
)
from .contract.keypoint_sets import (
    COCO_17 as COCO_17,
)
from .contract.keypoint_sets import (
    KEYPOINT_SETS as KEYPOINT_SETS,
)
from .contract.keypoint_sets import (
    keypoint_set_from_names as keypoint_set_from_names,
)
from .contract.keypoints import (
    KeypointSet as KeypointSet,
)
from .contract.levels import (
    Level as Level,
)
from .contract.levels import (
    deepest_within as deepest_within,
)
from .contract.problem import (
    Candidate as Candidate,
)
from .contract.problem import (
    Learning as Learning,
)
from .contract.problem import (
    Problem as Problem,
)
from .contract.problem import (
    Relaxation as Relaxation,
)
from .contract.problem import (
    Span as Span,
)
from .contract.problem import (
    Step as Step,
)
from .contract.problem import (
    Strategy as Strategy,
)
from .contract.problem import (
    Update as Update,
)
from .contract.problem import (
    Weights as Weights,
)
from .contract.samples import (
    ImageSource as ImageSource,
)
from .contract.samples import (
    Person as Person,
)
from .contract.samples import (
    Sample as Sample,
)
from .contract.samples import (
    UnreadableImageError as UnreadableImageError,
)
from .contract.scores import (
    Evaluation as Evaluation,
)
from .contract.scores import (
    GroundTruth as GroundTruth,
)
from .contract.scores import (
    Metric as Metric,
)
from .contract.scores import (
    Predictions as Predictions,
)
from .contract.sections import (
    Results as Results,
)
from .contract.sections import (
    Section as Section,
)
from .contract.trial import (
    Trial as Trial,
)
from .contract.zoo import (
    ZooEntry as ZooEntry,
)
from .runs.events import (
    hookimpl as hookimpl,
)

__version__: str
