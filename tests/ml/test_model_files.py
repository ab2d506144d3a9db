import numpy as np
import pytest

from ml.model_files import ModelFileError, read_arrays, read_settings, write_arrays, write_settings


class TestArrays:
    def test_written_arrays_are_read_unchanged_from_a_folder_that_is_made(self, tmp_path):
        arrays = {"ids": np.arange(3), "weights": np.ones((2, 2), np.float16)}
        write_arrays(tmp_path / "new" / "model.npz", arrays)
        loaded = read_arrays(tmp_path / "new" / "model.npz", ("weights", "ids"))
        assert list(loaded) == ["weights", "ids"]
        for name, array in arrays.items():
            assert loaded[name].dtype == array.dtype
            assert (loaded[name] == array).all()

    def test_writing_an_array_of_objects_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="allow_pickle"):
            write_arrays(tmp_path / "model.npz", {"ids": np.array([object()])})

    def test_reading_a_pickled_array_is_refused(self, tmp_path):
        np.savez(tmp_path / "model.npz", ids=np.array([object()]))
        with pytest.raises(ModelFileError, match=r"model\.npz cannot be read: .*pickle"):
            read_arrays(tmp_path / "model.npz", ("ids",))

    def test_reading_an_array_that_the_file_lacks_names_it(self, tmp_path):
        write_arrays(tmp_path / "model.npz", {"ids": np.arange(3)})
        with pytest.raises(ModelFileError, match="weights"):
            read_arrays(tmp_path / "model.npz", ("ids", "weights"))


class TestSettings:
    def test_written_settings_are_read_without_their_format(self, tmp_path):
        write_settings(tmp_path / "model.json", {"factors": 8}, form="model-1")
        assert read_settings(tmp_path / "model.json", form="model-1") == {"factors": 8}

    def test_settings_of_another_format_are_refused_with_both_names(self, tmp_path):
        write_settings(tmp_path / "model.json", {}, form="model-1")
        with pytest.raises(ModelFileError, match="format 'model-1', expected 'model-2'"):
            read_settings(tmp_path / "model.json", form="model-2")

    @pytest.mark.parametrize("content", ["", "[]", "{}", "3", "{", None])
    def test_a_file_without_settings_is_refused(self, tmp_path, content):
        if content is not None:
            (tmp_path / "model.json").write_text(content)
        with pytest.raises(ModelFileError, match=r"model\.json cannot be read"):
            read_settings(tmp_path / "model.json", form="model-1")
