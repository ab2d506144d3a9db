import torch

from ml.vision.labels import make_photo_labels


class TestFinerLabels:
    def test_a_finer_label_in_two_categories_is_a_class_in_each(self):
        targets = make_photo_labels(["chair", "table", "table"], ["other", "other", "round"])
        assert targets.class_count == 3
        assert targets.category_of[targets.classes].tolist() == [0, 1, 1]

    def test_a_category_is_as_probable_as_its_finer_classes_together(self):
        targets = make_photo_labels(["chair", "table", "table"], ["stool", "round", "square"])
        shares = targets.category_logs(torch.tensor([[0.5, 0.2, 0.3]]).log()).exp()
        torch.testing.assert_close(shares, torch.tensor([[0.5, 0.5]]))

    def test_without_finer_labels_the_loss_is_that_of_the_categories(self):
        targets, logits = make_photo_labels(["chair", "table"]), torch.tensor([[2.0, 1.0], [0.0, 3.0]])
        expected = torch.nn.functional.cross_entropy(logits, targets.classes, label_smoothing=0.1)
        torch.testing.assert_close(targets.loss(logits, targets.classes, 0.1), expected)
