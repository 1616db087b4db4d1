"""Which vectors to search with, and how to compare them: the classes of nearest neighbours.

    python benchmarks/comparing.py RUN...

For each run, test samples search the training samples by cosine: on features of the encoder and on
embeddings of the head, as they are, after the mean of the training vectors was subtracted, and
after each number was also divided by its standard deviation over the training vectors. Printed are
recall at 1, mean average precision, and the accuracy of a vote of the 20 nearest, in percent, with
the standard error of the first over test samples.
"""

import argparse

from torch import Tensor

from natlib.evaluation.knn import knn_predict
from natlib.evaluation.retrieval import retrieve
from natlib.protocols import subject_of

FORMS = ("as they are", "centred", "standardised")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--queries", type=int, default=2000, help="test samples at most")
    arguments = parser.parse_args()
    for run in arguments.runs:
        subject = subject_of(run)
        splits = subject.splits().limited(None, arguments.queries, subject.evaluation.seed)
        found = subject.embedded(splits)
        labels, truth = found.train_labels, found.test_labels
        for output in ("encoder", "head"):
            gallery, queries = found.train[output], found.test[output]
            for form in FORMS:
                known, asked = prepared(gallery, gallery, form), prepared(queries, gallery, form)
                recall, precision, _ = retrieve(known, labels, asked, truth)
                right = knn_predict(known, labels, asked, len(splits.classes)) == truth
                error = (recall[1] * (100 - recall[1]) / len(truth)) ** 0.5
                print(
                    f"{run}  {output:7}  {form:12}  R@1 {recall[1]:5.1f} ± {error:.1f}  "
                    f"mAP {precision:5.1f}  kNN {100 * float(right.float().mean()):5.1f}"
                )


def prepared(vectors: Tensor, training: Tensor, form: str) -> Tensor:
    """Vectors in one of the :data:`FORMS`."""
    if form == "as they are":
        return vectors
    centred = vectors - training.mean(0)
    return centred if form == "centred" else centred / training.std(0).clamp_min(1e-6)


if __name__ == "__main__":
    main()
