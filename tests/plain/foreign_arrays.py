"""Arrays of libraries that are not there: what they say of themselves, to tests of what becomes of it."""


class Interface:
    """What speaks __cuda_array_interface__ and nothing else, as Numba's arrays do."""

    def __init__(self, **changed):
        described = {"shape": (3,), "typestr": "<i4", "data": (4096, False), "version": 3}
        self.__cuda_array_interface__ = described | changed


class Dlpack:
    """What says where it is by DLPack, and would fail if its memory were asked for."""

    def __init__(self, memory, index=0, **interface):
        self.device = (memory, index)
        if interface:
            self.__cuda_array_interface__ = Interface(**interface).__cuda_array_interface__

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **kwargs):
        raise AssertionError("its memory was asked for")


class OnlyDlpack:
    """An array behind DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)


def frozen(array):
    array.flags.writeable = False
    return array
