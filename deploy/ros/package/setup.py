"""For colcon. The node itself is `deploy.ros`, which comes with cen-keras-runtime."""

from setuptools import setup

NAME = "cen_keras_ros"

setup(
    name=NAME,
    version="0.1.0",
    description="Semantic segmentation of colour and depth images",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
        ("share/" + NAME + "/launch", ["launch/segmentation.launch.py"]),
        ("share/" + NAME + "/config", ["config/fastdds.xml"]),
    ],
    entry_points={"console_scripts": ["segmentation = cen_keras_ros:main"]},
    zip_safe=True,
)
