# The names that `posenas` offers, by their homes; the only list of them.
from .api import (
    SearchRun as SearchRun,
    compose as compose,
    load_strategy as load_strategy,
    open_run as open_run,
    search as search,
)
from .composing.composition import (
    Composition as Composition,
)
from .composing.named_networks import (
    NamedNetwork as NamedNetwork,
    find_network as find_network,
    zoo_names as zoo_names,
)
from .composing.options import (
    AFTER_TRAINING as AFTER_TRAINING,
    option_values as option_values,
)
from .composing.variation import (
    changes as changes,
    cross as cross,
    mutate as mutate,
)
from .contract.batches import (
    Batch as Batch,
    Look as Look,
    Poses as Poses,
    PosesWithout as PosesWithout,
    View as View,
)
from .contract.components import (
    Ablatable as Ablatable,
    Averaging as Averaging,
    Backbone as Backbone,
    Conditional as Conditional,
    Dataset as Dataset,
    Derivable as Derivable,
    Distillable as Distillable,
    Evaluator as Evaluator,
    Evolvable as Evolvable,
    Exportable as Exportable,
    FlipTest as FlipTest,
    Foreseeing as Foreseeing,
    FrameByFrame as FrameByFrame,
    GuidedBackbone as GuidedBackbone,
    Guiding as Guiding,
    Head as Head,
    HeadModule as HeadModule,
    Holding as Holding,
    Noticing as Noticing,
    Propagating as Propagating,
    Relaxed as Relaxed,
    Reporting as Reporting,
    ScaleTest as ScaleTest,
    SearchableHead as SearchableHead,
    SearchSpace as SearchSpace,
    Tailored as Tailored,
    Timed as Timed,
    WeightSharing as WeightSharing,
)
from .contract.costs import (
    Conditioned as Conditioned,
    Cost as Cost,
    CostFigure as CostFigure,
    Divisible as Divisible,
    Explained as Explained,
    Meter as Meter,
    Networks as Networks,
)
from .contract.errors import (
    PosenasError as PosenasError,
    suggestion as suggestion,
)
from .contract.finding import (
    Finding as Finding,
)
from .contract.genotype import (
    Choice as Choice,
    Dimension as Dimension,
    Genotype as Genotype,
    Real as Real,
    check_genotype as check_genotype,
    genotype_id as genotype_id,
    middle as middle,
    sample_uniform as sample_uniform,
    value_text as value_text,
)
from .contract.goals import (
    Limit as Limit,
    MetricLimit as MetricLimit,
    Objective as Objective,
)
from .contract.keypoint_sets import (
    COCO_17 as COCO_17,
    COCO_WHOLEBODY_133 as COCO_WHOLEBODY_133,
    FACE_CONTOURS as FACE_CONTOURS,
    KEYPOINT_SETS as KEYPOINT_SETS,
    keypoint_set_from_names as keypoint_set_from_names,
)
from .contract.keypoints import (
    KeypointSet as KeypointSet,
)
from .contract.levels import (
    Level as Level,
    deepest_within as deepest_within,
)
from .contract.made_for import (
    MadeFor as MadeFor,
)
from .contract.normalisation import (
    Normalisation as Normalisation,
)
from .contract.phases import (
    PlannedTraining as PlannedTraining,
)
from .contract.problem import (
    Beginning as Beginning,
    Candidate as Candidate,
    Demanding as Demanding,
    FinalWeights as FinalWeights,
    Learning as Learning,
    Planned as Planned,
    Problem as Problem,
    Relaxation as Relaxation,
    Span as Span,
    Step as Step,
    Strategy as Strategy,
    Supporting as Supporting,
    Update as Update,
    Weights as Weights,
    final_init as final_init,
)
from .contract.samples import (
    ImageSource as ImageSource,
    Person as Person,
    Sample as Sample,
    UnreadableImageError as UnreadableImageError,
)
from .contract.scores import (
    Evaluation as Evaluation,
    GroundTruth as GroundTruth,
    Metric as Metric,
    Predictions as Predictions,
)
from .contract.sections import (
    Results as Results,
    Section as Section,
)
from .contract.trial import (
    Trial as Trial,
)
from .contract.weights import (
    ImportedWeights as ImportedWeights,
    WeightsImporter as WeightsImporter,
)
from .contract.zoo import (
    ZooEntry as ZooEntry,
)
from .runs.events import (
    hookimpl as hookimpl,
)

__version__: str
