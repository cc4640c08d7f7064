// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestvmx: the character device. It speaks the subset of KVM's API that ../uapi/nestvmx.h lists, so that a VMM written for
 * KVM needs only another path. File descriptors hold references: vCPU on VM, VM on VMX itself.
 */
#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/msr-index.h>

#include "nestvmx.h"

MODULE_AUTHOR("nestd authors");
MODULE_DESCRIPTION("Nested VMX and EPT: an L1 that is itself a hypervisor");
MODULE_LICENSE("GPL");

#define PARAMETER(name, text)					\
	module_param_named(name, nv_params.name, bool, 0444);	\
	MODULE_PARM_DESC(name, text)
PARAMETER(ept, "L0 uses EPT");
PARAMETER(nested_ept, "EPT is offered to L1 (needs ept)");
PARAMETER(shadow_vmcs, "VMCS shadowing is used for L1, and offered to it");
PARAMETER(vpid, "VPIDs are used and offered");
PARAMETER(apicv, "APIC virtualization is offered");
PARAMETER(unrestricted, "unrestricted guests (needs ept)");
PARAMETER(prebuilt_ept, "EPT01 and EPT02 are built ahead, not page by page on demand");

static void vm_put(struct nvx_vm *vm)
{
	if (!atomic_dec_and_test(&vm->refs))
		return;
	debugfs_remove(vm->debugfs);
	nv_vm_free(&vm->vm);
	nvx_mem_free(vm);
	nvx_vmx_put();
	kvfree(vm);
}

/* --- vCPU --- */

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct nvx_vcpu *x = file->private_data;
	long r;

	/* Guest memory is the address space of the process that made the VM. */
	if (x->vm->mm != current->mm)
		return -EIO;
	if (mutex_lock_killable(&x->lock))
		return -EINTR;
	r = nvx_vcpu_ioctl(x, cmd, (void __user *)arg);
	mutex_unlock(&x->lock);
	return r;
}

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct nvx_vcpu *x = file->private_data;

	return remap_vmalloc_range(vma, x->run, vma->vm_pgoff);
}

static void vcpu_free(struct nvx_vcpu *x)
{
	nvx_vpid_free(x->v.vpid01);
	nvx_vpid_free(x->v.vpid02);
	nvx_vmcs_free(x, &x->v.vmcs01);
	nvx_vmcs_free(x, &x->v.vmcs02);
	nvx_vmcs_free(x, &x->v.shadow);
	nvx_fpu_free(x);
	vfree(x->run);
	kvfree(x);
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct nvx_vcpu *x = file->private_data;
	struct nvx_vm *vm = x->vm;

	debugfs_remove(x->debugfs);
	mutex_lock(&vm->lock);
	nv_vcpu_free(&x->v);
	mutex_unlock(&vm->lock);
	vcpu_free(x);
	vm_put(vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

static int vcpu_setup(struct nvx_vcpu *x, struct nvx_vm *vm, unsigned int id)
{
	int r;

	mutex_init(&x->lock);
	x->vm = vm;
	x->cpu = -1;
	x->v.vm = &vm->vm;
	x->v.id = id;
	x->v.mach = x;
	x->run = vmalloc_user(2 * PAGE_SIZE);
	if (!x->run || nvx_fpu_alloc(x))
		return -ENOMEM;
	x->pio = (void *)x->run + NVX_PIO_PAGE * PAGE_SIZE;
	r = nvx_vmcs_alloc(&x->v.vmcs01, false) ?: nvx_vmcs_alloc(&x->v.vmcs02, false) ?: nvx_vmcs_alloc(&x->v.shadow, true);
	if (!r && nv_params.vpid)
		r = nvx_vpid_alloc(&x->v.vpid01) ?: nvx_vpid_alloc(&x->v.vpid02);
	nvx_msr_reset(x);
	return r;
}

static int create_vcpu(struct nvx_vm *vm, unsigned long id)
{
	struct nvx_vcpu *x;
	struct file *file;
	int r, fd;

	if (id >= NV_MAX_VCPUS)
		return -EINVAL;
	x = kvzalloc(sizeof(*x), GFP_KERNEL_ACCOUNT);
	if (!x)
		return -ENOMEM;
	r = vcpu_setup(x, vm, id);
	if (r)
		goto free;
	mutex_lock(&vm->lock);
	r = nv_vcpu_init(&x->v);
	mutex_unlock(&vm->lock);
	if (r)
		goto free;
	fd = get_unused_fd_flags(O_CLOEXEC);
	file = fd < 0 ? ERR_PTR(fd) : anon_inode_getfile("nestvmx-vcpu", &vcpu_fops, x, O_RDWR);
	if (!IS_ERR(file)) {
		atomic_inc(&vm->refs);
		x->file = file;
		nvx_debugfs_add_vcpu(x);
		fd_install(fd, file);
		return fd;
	}
	if (fd >= 0)
		put_unused_fd(fd);
	r = PTR_ERR(file);
	mutex_lock(&vm->lock);
	nv_vcpu_free(&x->v);
	mutex_unlock(&vm->lock);
free:
	vcpu_free(x);
	return r;
}

/* --- VM --- */

/* Capabilities whose answer is not 0; 1 unless it is a number. */
static int check_extension(unsigned long cap)
{
	switch (cap) {
	case KVM_CAP_USER_MEMORY:
	case KVM_CAP_EXT_CPUID:
	case KVM_CAP_SET_TSS_ADDR:
	case KVM_CAP_SET_IDENTITY_MAP_ADDR:
	case KVM_CAP_DESTROY_MEMORY_REGION_WORKS:
	case KVM_CAP_JOIN_MEMORY_REGIONS_WORKS:
	case KVM_CAP_READONLY_MEM:
	case KVM_CAP_MP_STATE:
	case KVM_CAP_VCPU_EVENTS:
	case KVM_CAP_DEBUGREGS:
	case KVM_CAP_XSAVE:
	case KVM_CAP_XCRS:
	case KVM_CAP_USER_NMI:
	case KVM_CAP_IMMEDIATE_EXIT:
	case KVM_CAP_GET_TSC_KHZ:
	case KVM_CAP_BINARY_STATS_FD:
	case KVM_CAP_IRQ_ROUTING: /* QEMU asks, and uses it only with interrupt controllers in the kernel: as KVM, EINVAL without */
		return 1;
	case KVM_CAP_NR_VCPUS:
		return num_online_cpus();
	case KVM_CAP_MAX_VCPUS:
	case KVM_CAP_MAX_VCPU_ID:
		return NV_MAX_VCPUS;
	case KVM_CAP_NR_MEMSLOTS:
		return NVX_MAX_SLOTS;
	case KVM_CAP_NESTED_STATE:
		return sizeof(struct kvm_nested_state) + sizeof(struct kvm_vmx_nested_state_data);
	default:
		return 0;
	}
}

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct nvx_vm *vm = file->private_data;
	struct kvm_userspace_memory_region region;

	if (vm->mm != current->mm)
		return -EIO;
	switch (cmd) {
	case KVM_CREATE_VCPU:
		return create_vcpu(vm, arg);
	case KVM_CHECK_EXTENSION:
		return check_extension(arg);
	case KVM_SET_USER_MEMORY_REGION:
		if (copy_from_user(&region, (void __user *)arg, sizeof(region)))
			return -EFAULT;
		return nvx_set_slot(vm, &region);
	case KVM_SET_TSS_ADDR: /* both serve CPUs without unrestricted guests, where real mode is emulated: not here */
	case KVM_SET_IDENTITY_MAP_ADDR:
		return 0;
	case KVM_SET_GSI_ROUTING: /* KVM's answer to a VM without interrupt controllers in the kernel */
		return -EINVAL;
	default:
		return -ENOTTY;
	}
}

static int vm_release(struct inode *inode, struct file *file)
{
	vm_put(file->private_data);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.llseek = noop_llseek,
};

/* What every guest may write without an exit; FS_BASE, GS_BASE and SYSENTER are the core's. */
static int pass_msrs(struct nvx_vm *vm)
{
	return nv_pass_msr(&vm->vm, MSR_KERNEL_GS_BASE, true, true);
}

static int create_vm(unsigned long type)
{
	struct nvx_vm *vm;
	int r;

	if (type)
		return -EINVAL;
	vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return -ENOMEM;
	mutex_init(&vm->lock);
	atomic_set(&vm->refs, 1);
	vm->vm.mach = vm;
	r = nvx_vmx_get();
	if (r)
		goto free;
	r = nv_vm_init(&vm->vm);
	if (r)
		goto put;
	r = nvx_mem_init(vm);
	if (r)
		goto core;
	r = pass_msrs(vm);
	if (!r) {
		nvx_debugfs_add_vm(vm);
		r = anon_inode_getfd("nestvmx-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	}
	if (r >= 0)
		return r;
	debugfs_remove(vm->debugfs);
	nvx_mem_free(vm);
core:
	nv_vm_free(&vm->vm);
put:
	nvx_vmx_put();
free:
	kvfree(vm);
	return r;
}

/* --- the device --- */

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return create_vm(arg);
	case KVM_CHECK_EXTENSION:
		return check_extension(arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : 2 * PAGE_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return nvx_get_supported_cpuid(user);
	case KVM_GET_MSR_INDEX_LIST:
		return nvx_get_msr_list(user);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nestvmx",
	.fops = &dev_fops,
	.mode = 0600,
};

static int __init nestvmx_init(void)
{
	int r = nvx_vmx_init();

	if (r)
		return r;
	r = nvx_l1tf_init();
	if (r) {
		nvx_vmx_exit();
		return r;
	}
	nvx_stats_init();
	r = misc_register(&device);
	if (r) {
		nvx_stats_exit();
		nvx_l1tf_exit();
		nvx_vmx_exit();
	}
	return r;
}

static void __exit nestvmx_exit(void)
{
	misc_deregister(&device);
	nvx_stats_exit();
	nvx_l1tf_exit();
	nvx_vmx_exit();
	/* Each VM gave back what it took: anything else is a leak, said aloud. */
	if (atomic_long_read(&nvx_pages) || atomic_long_read(&nvx_pinned))
		pr_err("nestvmx: leaked %ld table pages, %ld pinned pages\n", atomic_long_read(&nvx_pages),
		       atomic_long_read(&nvx_pinned));
}

module_init(nestvmx_init);
module_exit(nestvmx_exit);
