"""Builds the wheel: the configs lie at the top of the repository, and in the package once it is installed."""

from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Builds the packages that are found, and `actjax.configs` from the folder configs/."""

    def finalize_options(self) -> None:
        """Adds the package; pyproject.toml says where its files lie."""
        super().finalize_options()
        self.packages = [*(self.packages or []), "actjax.configs"]
