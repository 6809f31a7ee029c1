# The images of photographs_wide.py with streaks, mist, drops on the lens, and mixtures of them
_base_ = './photographs_wide.py'
rain = [
    *('light', 'varied-light', 'heavy:2', 'heavy', 'varied-heavy', 'wide-heavy'),
    *('drops', 'varied-drops', 'varied-drops', 'varied-drops:5', 'light+varied-drops', 'varied-heavy+drops:2'),
    *('mist', 'mist:2+varied-light', 'mist:2+varied-heavy', 'mist:1+light+varied-drops', 'none', 'none'),
]
steps = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(dataset=dict(pipeline=[*steps[:-2], dict(steps[-2], preset=rain), steps[-1]]))
