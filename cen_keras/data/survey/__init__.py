"""What an unknown folder of images holds: modalities, units, classes, splits. Looked at, never changed.

`kinds` finds the modalities, `numbers` what their files count, `classes` the labels with their `names`,
`folder` puts them together.
"""

from cen_keras.data.survey.folder import Survey, survey_folder

__all__ = ["Survey", "survey_folder"]
